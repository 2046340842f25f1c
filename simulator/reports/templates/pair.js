// A pair in the panel: what comes of each container, both verdicts, and what to do next.

// ``moved`` is what is to be moved: all of the source, or a node or a container of it.
function pairContent(model, navigation, [source, destination], moved = source) {
  const migrations = model.migrations(moved, destination);
  const opinions = migrations.flatMap(({ restore, programs }) => [restore, programs]);
  const codes = opinions.flatMap((one) => model.said(one)).map(({ code }) => code);
  const back = navigation.href({ ...pairState(destination, source), of: null, ct: null });
  const name = ({ node, name }) => breakable(node?.name ?? name);
  return [
    element("h2", { id: "panel-title" }, name(moved), " → ", name(destination)),
    element(
      "p",
      countsWords(model.countsOf(moved, destination)),
      oneWayWords(model, source, destination),
    ),
    element("dl.sides", side(model, "From", source), side(model, "To", destination)),
    source !== destination &&
      element("p", element("a", { href: back, id: "way-back" }, "The way back")),
    migrations.map((migration) => migrationOf(model, migration)),
    codes.length > 0 && [element("h3", "What to do"), remedies(model, codes)],
  ];
}

// The part of the address that chooses a pair.
function pairState(source, destination) {
  return { from: source.nodes[0].name, to: destination.nodes[0].name };
}

function oneWayWords(model, source, destination) {
  if (model.isOneWay(source, destination)) {
    return ". One way: something can go there safely, and nothing back";
  }
  const isBack = model.isOneWay(destination, source);
  return isBack ? ". One way: something can come back safely, and nothing go there" : "";
}

function side(model, title, group) {
  const names = group.nodes.map(({ name }) => name).join(", ");
  const nodes = group.nodes.length > 1 && folded(count(group.nodes.length, "node"), names);
  const words = `${cpuWords(model, group)}, ${kernelWords(model, group)}`;
  return [
    element("dt", title),
    element("dd", words, quiet(` (${model.classOf(group).words})`), nodes),
  ];
}

function migrationOf(model, { restore, programs, outcome, containers }) {
  const isOpen = outcome !== SAFE || model.said(restore).length + model.said(programs).length > 0;
  return element(
    "section.migration",
    element("h3", sign(outcome), `${containersWords(containers)}: ${OUTCOMES[outcome]}`),
    element("p.quiet", statesWords(model, containers)),
    isOpen && [opinionOf(model, "Restore", restore), opinionOf(model, "Programs", programs)],
  );
}
