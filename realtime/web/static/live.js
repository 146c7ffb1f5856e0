// The tab "Live".

export function mount(section, page) {
  return { shown() {}, hidden() {} };
}
