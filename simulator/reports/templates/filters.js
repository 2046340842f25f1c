// The filters of the grid: a form, kept in the address, and the rows and columns that they leave.

class Filters {
  constructor(form, model, onChange) {
    this.form = form;
    this.model = model;
    this.fields = [...form.elements].filter((field) => field.name);
    this.names = this.fields.map(({ name }) => name);
    this.fillOptions();
    form.addEventListener("input", () => onChange(this.values()));
    form.addEventListener("submit", (event) => event.preventDefault());
    find("clear").addEventListener("click", () => {
      onChange(Object.fromEntries(this.names.map((name) => [name, null])));
    });
  }

  fillOptions() {
    const { classes } = this.model.data;
    const sorted = (values) => [...new Set(values)].filter(Boolean).sort();
    const kernels = sorted(classes.map(({ generation }) => generation));
    const vendors = sorted(classes.map(({ vendor }) => vendor));
    const cpus = sorted(this.model.nodes.map(({ cpu }) => cpu));
    const options = (values) => values.map((value) => element("option", { value }, value));
    for (const side of ["source", "destination"]) {
      this.form.elements[`${side}-kernel`].append(...options(kernels));
      this.form.elements[`${side}-cpu`].append(
        element("optgroup", { label: "Vendors" }, ...options(vendors)),
        element("optgroup", { label: "CPUs" }, ...options(cpus)),
      );
    }
  }

  // What is filled in, as the address has it.
  values() {
    const value = (field) => (field.type === "checkbox" ? field.checked && "yes" : field.value);
    return Object.fromEntries(this.fields.map((field) => [field.name, value(field) || null]));
  }

  // Fill the form from the address; a choice that is not there (any more) is none.
  read(state) {
    for (const field of this.fields) {
      if (field.type === "checkbox") {
        field.checked = state.has(field.name);
      } else if (field.value !== (state.get(field.name) ?? "")) {
        field.value = state.get(field.name) ?? "";
        field.selectedIndex = Math.max(0, field.selectedIndex ?? 0);
      }
    }
  }

  get(name) {
    return this.form.elements[name].value;
  }

  // The rows and columns that have a pair that matches.
  apply() {
    const { model } = this;
    const matches = this.pairTest();
    const ordered = this.ordered();
    const sources = ordered.filter((group) => this.isSide("source", group));
    const destinations = ordered.filter((group) => this.isSide("destination", group));
    const isLeft = (one, other) => model.isPair(one, other) && matches(one, other);
    const rows = sources.filter((one) => destinations.some((other) => isLeft(one, other)));
    const columns = destinations.filter((other) => rows.some((one) => isLeft(one, other)));
    return { rows, columns, matches };
  }

  isSide(side, group) {
    const { generation, vendor } = this.model.classOf(group);
    const name = this.get(`${side}-name`).trim().toLowerCase();
    const [kernel, cpu] = [this.get(`${side}-kernel`), this.get(`${side}-cpu`)];
    return (
      group.nodes.some((node) => node.name.toLowerCase().includes(name)) &&
      (!kernel || kernel === generation) &&
      (!cpu || cpu === vendor || group.nodes.some((node) => node.cpu === cpu))
    );
  }

  pairTest() {
    const { model } = this;
    const kind = KINDS.indexOf(this.get("outcome"));
    const isOneWay = this.form.elements["one-way"].checked;
    return (source, destination) =>
      (kind < 0 || model.kind(source, destination) === kind) &&
      (!isOneWay || model.isOneWay(source, destination));
  }

  ordered() {
    const { model } = this;
    const pools = new Map(model.data.pools.flatMap((pool, at) => pool.map((group) => [group, at])));
    const keys = {
      name: ({ name }) => name,
      kernel: (group) => `${model.classOf(group).age} ${kernelWords(model, group)}`,
      cpu: (group) => `${model.classOf(group).vendor} ${cpuWords(model, group)}`,
      pool: ({ at }) => String(pools.get(at) ?? pools.size),
    };
    const key = keys[this.get("order")];
    const compare = (one, other) => key(one).localeCompare(key(other), "en", { numeric: true });
    return key ? [...model.groups].sort(compare) : model.groups;
  }
}
