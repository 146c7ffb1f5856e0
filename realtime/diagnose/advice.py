"""What to do about each trouble, a line each; ``docs/troubleshooting.md`` says more under the same keys."""

from __future__ import annotations

from types import MappingProxyType

__all__ = ["ADVICE"]

ADVICE = MappingProxyType(
    {
        # the machine
        "python-32-bit": "install 64-bit Python: onnxruntime and OpenCV have no 32-bit packages",
        "one-core": "give it more cores (docker run --cpus 2, taskset): all stages share one, so live video is slow",
        "no-avx2": "expect faces to be classified slowly; --classify-every 8 or more does so less often",
        "little-memory": "close other programs, or give the container more (docker run --memory)",
        "disk-full": "make room, or write --out and --save to another disk",
        "folder-read-only": "cd to a folder that this user may write to, or give --out and --save a full path",
        "no-temporary-folder": "make room in it, or set TMPDIR to a folder that this user may write to",
        "config-broken": "correct the line, or ignore the file: fer-live --no-config",
        # the packages
        "package-missing": "reinstall fer-live: pip install --force-reinstall fer-live",
        "extra-missing": "nothing, unless you want what the extra is for: pip install 'fer-live[NAME]'",
        "opencv-wheels": "pip uninstall -y opencv-python opencv-contrib-python opencv-python-headless "
        "opencv-contrib-python-headless, then install fer-live again",
        "onnxruntime-wheels": "pip uninstall -y onnxruntime onnxruntime-gpu onnxruntime-directml onnxruntime-openvino, "
        "then install fer-live again",
        "opencv-5": "pip install 'opencv-python<5', or do without --detector haar and --verify-eyes",
        "opencv-headless": "pip uninstall the headless OpenCV and pip install --force-reinstall 'opencv-python<5'; "
        "on a server there is nothing to do: --out and --save need no window",
        "system-library": "on Debian and Ubuntu: apt install libgl1 libglib2.0-0; elsewhere install the package that "
        "provides the missing file",
        # running models
        "cpu-provider": "reinstall onnxruntime; if a bundled file is named, see bundled-damaged",
        "no-cuda": "nothing: models run on the CPU; CUDA needs an NVIDIA GPU and its driver",
        "cuda-fails": "check that nvidia-smi works (restart after a driver update) and that onnxruntime-gpu is "
        "installed without onnxruntime; in a container: docker run --gpus all",
        "cuda-libraries": "pip install 'fer-live[cuda]' for CUDA and cuDNN; if it is there, update the NVIDIA driver",
        "nvidia-driver": "install NVIDIA's driver and restart; in a container: docker run --gpus all",
        "bundled-damaged": "reinstall fer-live; in a clone: git checkout -- fer_live/assets",
        "model-unusable": "give an .onnx that fer-export wrote: fer-export model.pt --out model.onnx",
        "model-contract": "export the checkpoint again with this release: fer-export model.pt --out model.onnx",
        "mediapipe-missing": "nothing, unless you want this detector: pip install 'fer-live[mediapipe]'",
        "mediapipe-fails": "pip install --force-reinstall 'fer-live[mediapipe]' (on a bare Linux also: apt install "
        "libgl1 libglib2.0-0 libegl1 libgles2), or use --detector yunet",
        "detector-fails": "reinstall fer-live, or use another --detector",
        # video
        "codec": "pip install --force-reinstall av (PyPI's build has all of them), or choose another --codec",
        # the window
        "no-display": "on a server give --out or --save; over SSH use ssh -X, in a test xvfb-run",
        "display-wayland": "install XWayland and set DISPLAY: OpenCV's windows need X11",
        "display-refused": "check that DISPLAY is right and that this user may use it (xhost, ssh -X), "
        "or give --out or --save and do without a window",
        # cameras
        "no-camera": "plug one in, or give --video FILE or an address",
        "camera-container": "give the container the camera: docker run --device /dev/video0",
        "camera-wsl": "attach it to WSL with usbipd-win, or run fer-live on Windows itself",
        "camera-permission": "sudo usermod -aG video $USER, then log out and in again",
        "camera-busy": "close the program that uses it (a video call, a browser tab, another fer-live)",
        "camera-fails": "unplug it, plug it into another port, and see what dmesg says",
        "camera-slow": "use a USB 3 port and more light; the camera's driver sets its rate, --fps does not",
        "camera-macos": "if it gives no picture: System Settings, Privacy & Security, Camera, allow your terminal",
        # the self-test
        "selftest-run": "run fer-live doctor; if it finds nothing, please report this line",
        "selftest-models": "use --device cpu if only cuda is off, run fer-live doctor, and please report it",
        # the check itself
        "check-hangs": "a driver or library hangs: restart; if it happens again, update the driver of what was checked",
        "check-crashes": "a driver or library crashes: reinstall the package or update the driver; fer-live would "
        "crash there too",
        "check-failed": "reinstall what it names; if that does not help, please report it with this output",
    }
)
"""What to do, by a key that stays the same."""
