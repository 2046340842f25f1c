// A pair in the panel: what comes of each container, both verdicts, and what to do next.

function pairContent(model, navigation, source, destination) {
  const migrations = model.migrations(source, destination);
  const opinions = migrations.flatMap(({ restore, programs }) => [restore, programs]);
  const codes = opinions.flatMap((one) => model.said(one)).map(({ code }) => code);
  return [
    ...pairHead(model, navigation, source, destination),
    ...migrations.map((migration) => migrationOf(model, migration)),
    ...(codes.length ? [element("h3", {}, "What to do"), remedies(model, codes)] : []),
  ];
}

function pairHead(model, navigation, source, destination) {
  const back = navigation.href({ from: destination.nodes[0].name, to: source.nodes[0].name });
  const links =
    source === destination ? [] : [element("a", { href: back, id: "way-back" }, "The way back")];
  return [
    element(
      "h2",
      { id: "panel-title" },
      breakable(source.name),
      " → ",
      breakable(destination.name),
    ),
    element(
      "p",
      {},
      countsWords(model.counts(source, destination)),
      oneWayWords(model, source, destination),
    ),
    element(
      "dl",
      { class: "sides" },
      ...side(model, "From", source),
      ...side(model, "To", destination),
    ),
    element("p", { class: "links" }, ...links),
  ];
}

function oneWayWords(model, source, destination) {
  if (model.isOneWay(source, destination)) {
    return ". One way: something can go there safely, and nothing back";
  }
  const isBack = model.isOneWay(destination, source);
  return isBack ? ". One way: something can come back safely, and nothing go there" : "";
}

function side(model, title, group) {
  const { words } = model.classOf(group);
  const nodes =
    group.nodes.length > 1
      ? [folded(count(group.nodes.length, "node"), group.nodes.map(({ name }) => name).join(", "))]
      : [];
  return [
    element("dt", {}, title),
    element(
      "dd",
      {},
      `${cpuWords(model, group)}, `,
      kernelWords(model, group),
      quiet(` (${words})`),
      ...nodes,
    ),
  ];
}

function migrationOf(model, { restore, programs, outcome, containers }) {
  const isOpen = outcome !== SAFE || model.said(restore).length + model.said(programs).length;
  return element(
    "section",
    { class: "migration" },
    element("h3", {}, sign(outcome), `${containersWords(containers)}: ${OUTCOMES[outcome]}`),
    element("p", { class: "quiet" }, statesWords(model, containers)),
    ...(isOpen
      ? [opinionOf(model, "Restore", restore), opinionOf(model, "Programs", programs)]
      : []),
  );
}
