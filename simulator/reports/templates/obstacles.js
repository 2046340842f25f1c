// What stands in the way: each code with the migrations that it stops, and what a change of one
// node would free, as far as the codes tell.

const MOST_CHANGED = 5;
const MOST_PAIRS = 40;

class Obstacles {
  constructor(model, navigation) {
    Object.assign(this, { model, navigation, uses: [] });
  }

  show() {
    this.tally = tallied(this.model);
    const { codes, stopped } = this.tally;
    const lead = `${count(stopped, "migration")} ${stopped === 1 ? "is" : "are"} not safe. Choose a reason to see the pairs behind it.`;
    const note =
      "“Stops” counts migrations that the reason speaks against, “Alone” those that nothing else does.";
    const titles = ["Reason", "Stops", "", "Alone", "Pairs"];
    const most = Math.max(...codes.map(({ stops }) => stops));
    const rows = codes.map((entry) => this.row(entry, most));
    const shown = [
      element("p.lead", lead),
      tableOf("codes", titles, rows),
      element("p.quiet", note),
    ];
    const nothing = element("p.notice", "Nothing: every migration is safe.");
    find("obstacles").replaceChildren(element("div", stopped ? shown : nothing));
  }

  row({ code, stops, alone, pairs }, most) {
    const href = this.navigation.href({ ...NOTHING_CHOSEN, code });
    const bar = element("span.amount");
    bar.style.width = `${(100 * stops) / most}%`;
    const link = element("a", { href }, this.model.data.codes[code].summary);
    return [
      [link, " ", element("code", code)],
      number(stops),
      bar,
      number(alone),
      number(pairs.length),
    ];
  }

  isChosen(state) {
    return this.tally.codes.find(({ code }) => code === state.get("code"));
  }

  overview(state) {
    const entry = this.isChosen(state);
    return entry ? this.details(entry) : this.changes();
  }

  // What a change of one node would free, in the panel before anything is chosen.
  changes() {
    const alike = new Map();
    this.tally.changes.forEach((one) => listAt(alike, one.action).push(one));
    const tables = [...alike].map(([action, changes]) => {
      const rows = changes
        .slice(0, MOST_CHANGED)
        .map(({ group, frees }) => [breakable(group.name), number(frees)]);
      return [element("h3", action), tableOf("takers", ["Node", "Migrations"], rows)];
    });
    const note =
      "As far as the reasons tell: migrations that nothing else stands against. “vzcptsim check SOURCE DESTINATION” proves what helps.";
    const nothing =
      "Nothing: no change of one node alone turns away all that stands against a migration.";
    return [
      element("h2", { id: "panel-title" }, "What one change would free"),
      tables.length ? [tables, element("p.quiet", note)] : element("p", nothing),
    ];
  }

  details({ code, stops, alone, about, pairs }) {
    const {
      summary,
      explanation,
      next_step: next,
      hidden_by: hidden,
      verdict,
    } = this.model.data.codes[code];
    const features = [...about.values()].filter(({ feature, place }) => feature || place);
    const rows = features
      .sort((one, other) => other.times - one.times)
      .map(({ feature, place, hiddenBy, times }) => [feature, place, hiddenBy, number(times)]);
    const bySource = new Map();
    pairs.forEach(([source, destination]) => listAt(bySource, source).push(destination));
    return [
      element("h2", { id: "panel-title" }, summary),
      element("p", element("code", code), quiet(` speaks against ${verdict}`)),
      element("p", `Stops ${count(stops, "migration")}, ${number(alone)} of them alone.`),
      element("p.next", next),
      hidden && element("p", `Hidden by ${hidden}.`),
      folded("Why", element("p", explanation)),
      rows.length > 0 && tableOf("facts", ["Feature", "Where", "Hidden by", "Migrations"], rows),
      element("h3", "Pairs"),
      element(
        "ul.pairs",
        firstOf([...bySource], MOST_PAIRS, (entry) => this.pairs(code, ...entry)),
      ),
    ];
  }

  pairs(code, source, destinations) {
    const link = (destination) => {
      const href = this.navigation.href({ code, ...pairState(source, destination) });
      return element("a", { href }, breakable(destination.name));
    };
    return element("li", breakable(source.name), " → ", firstOf(destinations, 12, link));
  }
}
