// The tab "Photo or clip".

export function mount(section, page) {
  return { shown() {}, hidden() {} };
}
