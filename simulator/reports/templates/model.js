// What the page knows: groups of nodes, and what is said of each ordered pair of them.

const VERDICTS = ["possible", "not possible", "unknown"];
const WEIGHTS = ["refuses", "unknown", "remark"];
const VIEWS = ["outcome", "restore", "programs"];

// What a pair's migrations come to: an outcome of all, or "partly", where some only are safe. Of
// restore alone, and of programs alone, it is the outcome that there would be without the other.
const OUTCOMES = ["safe", "risky", "refused", "unknown"];
const KINDS = [...OUTCOMES, "partly"];
const PARTLY = 4;

function kindOf([safe, ...others]) {
  return safe && others.some(Boolean) ? PARTLY : worst([safe, ...others]);
}

// How a cell looks: a kind or, where some are safe, how many, and what the others are.
const SHARES = 4;

function lookOf(counts) {
  const kind = kindOf(counts);
  if (kind !== PARTLY) {
    return kind;
  }
  const share = counts[0] / counts.reduce((sum, one) => sum + one, 0);
  return partlyLook(Math.floor(share * SHARES), worst(counts));
}

function partlyLook(step, rest) {
  return PARTLY + step + SHARES * (rest - 1);
}

// The share of a look that is safe, and the kind of the rest.
function partsOf(look) {
  const number = look - PARTLY;
  return { share: ((number % SHARES) + 1) / (SHARES + 1), rest: 1 + Math.floor(number / SHARES) };
}

// The worst kind that there is: refused, risky, unknown, safe.
function worst(counts) {
  return [2, 1, 3].find((kind) => counts[kind]) ?? 0;
}

class Model {
  constructor(data) {
    this.data = data;
    this.groups = data.groups;
    this.kinds = data.summaries.map((summary) =>
      VIEWS.map((_, view) => kindOf(countsOf(summary, view))),
    );
    this.looks = data.summaries.map((summary) =>
      VIEWS.map((_, view) => lookOf(countsOf(summary, view))),
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

  // How many migrations of the pair come to each outcome.
  counts(source, destination, view) {
    return countsOf(this.data.summaries[this.summary(source, destination)], view);
  }

  kind(source, destination, view) {
    return this.kinds[this.summary(source, destination)][view];
  }

  // Something can go there safely, and nothing back.
  isOneWay(source, destination) {
    if (source === destination) {
      return false;
    }
    const [safe] = this.counts(source, destination, 0);
    const [back, , , unknown] = this.counts(destination, source, 0);
    return safe > 0 && back === 0 && unknown === 0;
  }

  // The migrations of a pair, sorted by what is found on them.
  migrations(source, destination) {
    const { rows } = this.data;
    const other = this.classOf(destination);
    const found = new Map();
    for (const [label, container, number, restoreRow, programsRow] of this.groups[source].loads) {
      const restore = rows[restoreRow][other.kernel];
      const programs = rows[programsRow][this.groups[destination].class];
      const key = `${restore} ${programs}`;
      if (!found.has(key)) {
        found.set(key, { restore, programs, loads: [] });
      }
      found.get(key).loads.push({ label, container, number });
    }
    return [...found.values()];
  }

  // The outcome of what is found on restore and on programs, by their numbers.
  outcome(restore, programs) {
    const verdicts = [restore, programs].map((number) => this.data.opinions[number][0]);
    const [restored, survive] = this.data.restoreOnly ? [verdicts[0], 0] : verdicts;
    if (restored === 1) {
      return 2;
    }
    return restored === 2 || survive === 2 ? 3 : survive;
  }

  opinion(number) {
    const [verdict, reasons] = this.data.opinions[number];
    return { verdict, reasons: reasons.map((reason) => this.reason(reason)) };
  }

  reason(number) {
    const [code, weight, feature, place, source, destination, neededBy, hiddenBy, isWaived] =
      this.data.reasons[number];
    return { code, weight, feature, place, source, destination, neededBy, hiddenBy, isWaived };
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

function countsOf(summary, view) {
  return summary.slice(4 * view, 4 * view + 4);
}

// Say counts: one word where all are alike.
function countsWords(counts) {
  const total = counts.reduce((sum, one) => sum + one, 0);
  const parts = OUTCOMES.map((outcome, number) => [counts[number], outcome]);
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
