// What is found on each migration, and what it comes to. The data has a row for each class of
// nodes and of containers; what is counted here is counted when it is looked at.

const OUTCOMES = ["safe", "risky", "refused", "unknown"];
const [SAFE, RISKY, REFUSED, UNKNOWN] = OUTCOMES.keys();
const WORST_FIRST = [REFUSED, RISKY, UNKNOWN, SAFE];

// Of a pair: the outcome of all its migrations, or "partly", where some are safe and others not.
const PARTLY = 4;
const KINDS = [...OUTCOMES, "partly"];

const IS_POSSIBLE = 0;
const IS_REMARK = 2;
const [VERDICTS, WEIGHTS] = [
  ["possible", "not possible", "unknown"],
  ["refuses", "unknown", "remark"],
];

function worst(counts) {
  return WORST_FIRST.find((outcome) => counts[outcome]) ?? SAFE;
}

function kindOf(counts) {
  return counts[SAFE] && worst(counts) !== SAFE ? PARTLY : worst(counts);
}

class Model {
  constructor(data) {
    this.data = data;
    this.verdicts = data.opinions.map(([verdict]) => verdict);
    this.reasons = data.reasons.map(reasonOf);
    this.counted = data.opinions.map(([, reasons]) =>
      reasons.filter((one) => this.reasons[one].counts),
    );
    this.nodes = data.nodes.map(([name, nodeClass, release, cpu, containers], at) => {
      return { at, name, class: nodeClass, release, cpu, containers };
    });
    this.groups = this.group().map((nodes, at) => {
      const group = { at, nodes, class: nodes[0].class };
      const loads = this.loads(nodes);
      const size = sum(loads.map(({ containers }) => containers.length));
      return Object.assign(group, { loads, size, name: nodes[0].name + more(group) });
    });
    this.groupOf = new Map(this.groups.flatMap((one) => one.nodes.map((node) => [node, one])));
    this.rows = [];
  }

  group() {
    if (!this.data.byClass) {
      return this.nodes.map((node) => [node]);
    }
    const groups = this.data.classes.map(() => []);
    this.nodes.forEach((node) => groups[node.class].push(node));
    return groups;
  }

  classOf(group) {
    return this.data.classes[group.class];
  }

  // The containers of nodes of one class, those together on which the same is found everywhere.
  // A node without any stands for itself: its container is null.
  loads(nodes, isMeant = () => true) {
    const alike = new Map();
    const { found } = this.data.classes[nodes[0].class];
    for (const node of nodes) {
      for (const [ctid, container] of node.containers.length ? node.containers : [[null, null]]) {
        if (isMeant(ctid)) {
          listAt(alike, String(found[container])).push({ node, ctid, container });
        }
      }
    }
    return [...alike.values()].map((containers) => {
      const [restore, programs] = found[containers[0].container].map((row) => this.data.rows[row]);
      return { containers, restore, programs };
    });
  }

  // A node, or one container of it, as what is to be moved.
  source(node, ctid) {
    const isMeant = ctid === null ? undefined : (other) => String(other) === ctid;
    return { group: this.groupOf.get(node), node, loads: this.loads([node], isMeant) };
  }

  // The nodes of a group that something can be moved to from a source.
  room(source, group) {
    return group.nodes.length - ((source.group ?? source) === group);
  }

  isPair(source, destination) {
    return this.room(source, destination) > 0;
  }

  outcome(restore, programs) {
    const restored = this.verdicts[restore];
    const survive = this.data.restoreOnly ? IS_POSSIBLE : this.verdicts[programs];
    if (restored === 1) {
      return REFUSED;
    }
    return restored === 2 || survive === 2 ? UNKNOWN : survive;
  }

  // What is found on moving containers that are alike to a group.
  found(load, group) {
    const restore = load.restore[this.classOf(group).kernel];
    const programs = load.programs[group.class];
    return { load, restore, programs, outcome: this.outcome(restore, programs) };
  }

  // How many migrations to a class come to each outcome, by the class.
  row(source) {
    const { classes } = this.data;
    const row = new Uint32Array(4 * classes.length);
    for (const { restore, programs, containers } of source.loads) {
      for (let other = 0; other < classes.length; other += 1) {
        const outcome = this.outcome(restore[classes[other].kernel], programs[other]);
        row[4 * other + outcome] += containers.length;
      }
    }
    return row;
  }

  // How many migrations from one group to another come to each outcome.
  counts(source, destination) {
    return slot((this.rows[source.at] ??= this.row(source)), destination);
  }

  // The same from what is no whole group.
  countsOf(moved, destination) {
    return slot(this.row(moved), destination);
  }

  // How many of them come to one outcome.
  count(source, destination, outcome) {
    const row = (this.rows[source.at] ??= this.row(source));
    return row[4 * destination.class + outcome];
  }

  kind(source, destination) {
    return kindOf(this.counts(source, destination));
  }

  // Something can go there safely, and nothing back.
  isOneWay(source, destination) {
    const isOpen = source !== destination && this.count(source, destination, SAFE) > 0;
    const back = [SAFE, UNKNOWN];
    return isOpen && back.every((outcome) => !this.count(destination, source, outcome));
  }

  // The migrations of a pair; those together on which the same is found.
  migrations(source, destination) {
    const alike = new Map();
    for (const load of source.loads) {
      const found = this.found(load, destination);
      listAt(alike, `${found.restore} ${found.programs}`).push(found);
    }
    return [...alike.values()].map((found) => {
      const containers = found.flatMap(({ load }) => load.containers);
      return { ...found[0], containers: containers.sort((one, other) => one.ctid - other.ctid) };
    });
  }

  // The reasons that an outcome comes from, each once, by number.
  against({ restore, programs }) {
    const others = this.data.restoreOnly ? [] : this.counted[programs];
    return [...new Set([...this.counted[restore], ...others])];
  }

  // All that is said, whether it counts or not.
  said(opinion) {
    return this.data.opinions[opinion][1].map((at) => this.reasons[at]);
  }
}

function reasonOf(values) {
  const [code, weight, feature, place, source, destination, neededBy, hiddenBy, isWaived, said] =
    values;
  const counts = weight !== IS_REMARK && !isWaived;
  return {
    code,
    weight,
    feature,
    place,
    source,
    destination,
    neededBy,
    hiddenBy,
    isWaived,
    said,
    counts,
  };
}

function slot(row, { class: at }) {
  return row.subarray(4 * at, 4 * at + 4);
}
