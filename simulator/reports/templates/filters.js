// The filters: a form, kept in the address's fragment, and the rows and columns that they leave.

const SIDES = ["source", "destination"];

class Filters {
  constructor(form, model, onChange) {
    this.form = form;
    this.model = model;
    this.onChange = onChange;
    this.fillOptions();
    form.elements.size.defaultValue = firstSize(model.groups.length);
    form.addEventListener("input", () => onChange());
    form.addEventListener("submit", (event) => event.preventDefault());
    find("clear").addEventListener("click", () => {
      this.restore(new URLSearchParams());
      onChange();
    });
  }

  fillOptions() {
    const { data } = this.model;
    const generations = [...new Set(data.classes.map((one) => one.generation))].sort();
    const vendors = [...new Set(data.classes.map((one) => one.vendor))].sort();
    const models = [...new Set(data.groups.flatMap((group) => group.models))].sort();
    for (const side of SIDES) {
      addOptions(this.form.elements[`${side}-kernel`], "", generations);
      addOptions(this.form.elements[`${side}-cpu`], "Vendors", vendors);
      addOptions(this.form.elements[`${side}-cpu`], "Models", models);
    }
  }

  get(name) {
    const field = this.form.elements[name];
    return field.type === "checkbox" ? field.checked : field.value;
  }

  // What is shown: rows and columns by the groups' numbers, and which of their pairs match.
  apply() {
    const matches = this.pairTest();
    const sources = this.order().filter((group) => this.hasSide("source", group));
    const destinations = this.order().filter((group) => this.hasSide("destination", group));
    const isLeft = (source, destination) =>
      this.model.summary(source, destination) >= 0 && matches(source, destination);
    const rows = sources.filter((one) => destinations.some((other) => isLeft(one, other)));
    const columns = destinations.filter((other) => rows.some((one) => isLeft(one, other)));
    return { rows, columns, matches };
  }

  hasSide(side, number) {
    const group = this.model.groups[number];
    const { generation, vendor } = this.model.classOf(number);
    const name = this.get(`${side}-name`).trim().toLowerCase();
    const kernel = this.get(`${side}-kernel`);
    const cpu = this.get(`${side}-cpu`);
    return (
      (!name || [group.name, ...group.nodes].some((one) => one.toLowerCase().includes(name))) &&
      (!kernel || kernel === generation) &&
      (!cpu || cpu === vendor || group.models.includes(cpu))
    );
  }

  pairTest() {
    const { model } = this;
    const wanted = VIEWS.map((name, view) => [view, KINDS.indexOf(this.get(name))]).filter(
      ([, kind]) => kind >= 0,
    );
    const oneWay = this.get("one-way");
    return (source, destination) =>
      wanted.every(([one, kind]) => model.kind(source, destination, one) === kind) &&
      (!oneWay || model.isOneWay(source, destination));
  }

  order() {
    const { model } = this;
    const numbers = model.groups.map((_, number) => number);
    const keys = {
      name: (number) => [model.groups[number].name],
      kernel: (number) => [model.classOf(number).generation, model.classOf(number).vendor],
      cpu: (number) => [model.classOf(number).vendor, String(model.classOf(number).cpu)],
    };
    const key = keys[this.get("order")];
    const compare = (one, other) =>
      key(one).join("\n").localeCompare(key(other).join("\n"), "en", { numeric: true });
    return key ? numbers.sort(compare) : numbers;
  }

  // Read the form from a fragment's parameters; what is not there is as at first.
  restore(parameters) {
    for (const field of this.fields()) {
      if (field.type === "checkbox") {
        field.checked = parameters.has(field.name);
      } else {
        field.value = parameters.get(field.name) ?? this.firstValue(field);
      }
      // A choice that is not there (any more) is none.
      if (field.selectedIndex === -1) {
        field.selectedIndex = 0;
      }
    }
  }

  fields() {
    return [...this.form.elements].filter((field) => field.name);
  }

  // Write what differs from the first state as parameters.
  parameters() {
    const parameters = new URLSearchParams();
    for (const field of this.fields()) {
      const value = field.type === "checkbox" ? field.checked && "yes" : field.value;
      if (value && value !== this.firstValue(field)) {
        parameters.set(field.name, value);
      }
    }
    return parameters;
  }

  firstValue(field) {
    return field.tagName === "SELECT" ? field.options[0].value : field.defaultValue;
  }
}

// Few cells are large ones.
function firstSize(groups) {
  return 2 * Math.max(9, Math.min(16, Math.floor(350 / groups)));
}

function addOptions(select, title, values) {
  const options = values.map((value) => element("option", { value }, value));
  if (title && values.length) {
    select.append(element("optgroup", { label: title }, ...options));
  } else {
    select.append(...options);
  }
}
