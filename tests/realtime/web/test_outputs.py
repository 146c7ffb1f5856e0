import json
import re
from xml.sax.saxutils import escape

from hypothesis import given
from hypothesis import strategies as st

from fer_live.realtime.web.outputs import OUTPUTS, display_name, stem_of


def test_names_as_people_know_them() -> None:
    assert display_name("Käthe & Anna (2).mov") == "Käthe _ Anna (2).mov"
    assert display_name("../../etc/passwd") == "passwd"
    assert display_name("C:\\Users\\me\\clip.mp4") == "clip.mp4"
    assert display_name("..") == display_name("") == "upload"
    assert display_name("a" * 300 + ".mp4") == "a" * 76 + ".mp4"
    assert stem_of("clip.one.mp4") == "clip.one" and stem_of(".mp4") == ".mp4"


@given(st.text(max_size=200))
def test_a_displayed_name_means_nothing_anywhere(name: str) -> None:
    shown = display_name(name)
    assert 0 < len(shown) <= 80 and shown.isprintable() and display_name(shown) == shown
    assert not re.search(r"""[/\\:*?"'<>|&,;%$`\n]""", shown) and shown not in (".", "..")
    assert escape(shown) == shown and json.dumps(shown, ensure_ascii=False) == f'"{shown}"'


def test_no_two_outputs_of_an_upload_are_one_file() -> None:
    assert len({output.suffix for output in OUTPUTS}) == len(OUTPUTS)
