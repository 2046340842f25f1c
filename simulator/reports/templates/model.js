// What the page knows: groups of nodes, and what is said of each ordered pair of them.

const VERDICTS = ["possible", "not possible", "unknown"];
const WEIGHTS = ["refuses", "unknown", "remark"];
const OPINIONS = ["kernel", "ours", "both"];

// What a pair's migrations come to: a verdict on all, or "partly", where some only are possible.
const KINDS = ["possible", "not-possible", "unknown", "partly"];
const PARTLY = 3;

function kindOf([possible, notPossible, unknown]) {
  if (possible && (notPossible || unknown)) {
    return PARTLY;
  }
  return worst(possible, notPossible, unknown);
}

// How a cell looks: a kind or, where some are possible, how many, and what the others are.
const SHARES = 4;

function lookOf(counts) {
  const kind = kindOf(counts);
  if (kind !== PARTLY) {
    return kind;
  }
  const share = counts[0] / (counts[0] + counts[1] + counts[2]);
  return partlyLook(Math.floor(share * SHARES), worst(0, counts[1], counts[2]));
}

function partlyLook(step, rest) {
  return PARTLY + step + SHARES * (rest - 1);
}

// The share of a look that is possible, and the kind of the rest.
function partsOf(look) {
  const number = look - PARTLY;
  return { share: ((number % SHARES) + 1) / (SHARES + 1), rest: 1 + Math.floor(number / SHARES) };
}

function worst(possible, notPossible, unknown) {
  return notPossible ? 1 : unknown ? 2 : 0;
}

class Model {
  constructor(data) {
    this.data = data;
    this.groups = data.groups;
    this.kinds = data.summaries.map((summary) =>
      OPINIONS.map((_, opinion) => kindOf(countsOf(summary, opinion))),
    );
    this.looks = data.summaries.map((summary) =>
      OPINIONS.map((_, opinion) => lookOf(countsOf(summary, opinion))),
    );
  }

  classOf(group) {
    return this.data.classes[this.groups[group].class];
  }

  // The number of what is said of a pair in short; -1 of a node and itself.
  summary(source, destination) {
    const group = this.groups[source];
    if (source === destination && group.nodes.length === 1) {
      return -1;
    }
    return this.data.rows[group.row][this.groups[destination].class];
  }

  // Possible, not possible, unknown: how many migrations of the pair are.
  counts(source, destination, opinion) {
    return countsOf(this.data.summaries[this.summary(source, destination)], opinion);
  }

  kind(source, destination, opinion) {
    return this.kinds[this.summary(source, destination)][opinion];
  }

  // Something can go there, and nothing back.
  isOneWay(source, destination, opinion) {
    if (source === destination) {
      return false;
    }
    const [possible] = this.counts(source, destination, opinion);
    const [back, , unknown] = this.counts(destination, source, opinion);
    return possible > 0 && back === 0 && unknown === 0;
  }

  // The migrations of a pair, sorted by what is said of them.
  outcomes(source, destination) {
    const { rows } = this.data;
    const other = this.classOf(destination);
    const found = new Map();
    for (const [label, container, number, kernelRow, ourRow] of this.groups[source].loads) {
      const kernel = rows[kernelRow][other.kernel];
      const ours = rows[ourRow][this.groups[destination].class];
      const key = `${kernel} ${ours}`;
      if (!found.has(key)) {
        found.set(key, { kernel, ours, loads: [] });
      }
      found.get(key).loads.push({ label, container, number });
    }
    return [...found.values()];
  }

  opinion(number) {
    const [verdict, reasons] = this.data.opinions[number];
    return { verdict, reasons: reasons.map((reason) => this.reason(reason)) };
  }

  reason(number) {
    const [code, weight, feature, place, source, destination, neededBy, isWaived] =
      this.data.reasons[number];
    return { code, weight, feature, place, source, destination, neededBy, isWaived };
  }

  // What a verdict comes from, by code, with features: what counts, and what is waived.
  why(number) {
    const features = new Map();
    for (const reason of this.opinion(number).reasons) {
      if (reason.isWaived || WEIGHTS[reason.weight] !== "remark") {
        const code = reason.isWaived ? `${reason.code} (waived)` : reason.code;
        features.set(code, [...(features.get(code) ?? []), reason.feature]);
      }
    }
    return [...features]
      .map(([code, names]) => [code, names.filter(Boolean).join(" ")].filter(Boolean).join(": "))
      .join("; ");
  }
}

function countsOf(summary, opinion) {
  return summary.slice(3 * opinion, 3 * opinion + 3);
}

// Say counts: one word where all are alike.
function countsWords(counts) {
  const total = counts.reduce((sum, one) => sum + one, 0);
  const parts = VERDICTS.map((verdict, number) => [counts[number], verdict]);
  const present = parts.filter(([number]) => number);
  if (present.length === 1) {
    return present[0][1];
  }
  return present.map(([number, verdict]) => `${number} of ${total} ${verdict}`).join(", ");
}

function labelsWords(loads, byClass) {
  return loads
    .map(({ label, number }) => {
      if (label === null) {
        return byClass ? `nodes alone (${number})` : "any";
      }
      return byClass ? `class ${label} (${number})` : String(label);
    })
    .join(", ");
}
