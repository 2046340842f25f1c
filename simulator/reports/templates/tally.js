// Count migrations that are not safe by what stands against them. What is found on many of them
// is the same: it is looked at once.
function tallied(model) {
  const codes = new Map();
  const freed = new Map();
  const met = new Map();
  const meet = ({ restore, programs }) => {
    const key = restore * model.verdicts.length + programs;
    if (!met.has(key)) {
      met.set(key, newlyMet(model, codes, model.against({ restore, programs })));
    }
    return met.get(key);
  };
  for (const source of model.groups) {
    for (const destination of model.groups) {
      const room = model.room(source, destination);
      for (const load of room ? source.loads : []) {
        const found = model.found(load, destination);
        if (found.outcome !== SAFE) {
          const times = load.containers.length * room;
          const alike = meet(found);
          alike.times += times;
          alike.entries.forEach(({ pairs }) => addPair(pairs, source, destination));
          alike.changes.forEach((change) => free(model, freed, change, source, destination, times));
        }
      }
    }
  }
  met.forEach((alike) => addUp(codes, alike));
  const mostFirst = (key) => (one, other) => other[key] - one[key];
  return {
    stopped: sum([...met.values()].map(({ times }) => times)),
    codes: [...codes.values()].sort(mostFirst("stops")),
    changes: [...freed.values()].sort(mostFirst("frees")),
  };
}

// What was not met before: its codes' entries, and the changes that turn all of it away.
function newlyMet(model, codes, against) {
  const reasons = against.map((at) => model.reasons[at]);
  const entries = [...new Set(reasons.map(({ code }) => code))].map((code) => {
    if (!codes.has(code)) {
      codes.set(code, { code, stops: 0, alone: 0, about: new Map(), pairs: [] });
    }
    return codes.get(code);
  });
  const changes = [...model.data.changes.keys()].filter((at) => {
    const turned = model.data.changes[at][2];
    return reasons.every(
      ({ code, feature }) => turned.includes(code) || turned.includes(`${code} ${feature}`),
    );
  });
  return { reasons, entries, changes, times: 0 };
}

function addUp(codes, { reasons, entries, times }) {
  for (const entry of entries) {
    entry.stops += times;
    entry.alone += entries.length === 1 ? times : 0;
  }
  for (const { code, feature, place, hiddenBy } of reasons) {
    const { about } = codes.get(code);
    const key = [feature, place, hiddenBy].join("\n");
    about.set(key, { feature, place, hiddenBy, times: times + (about.get(key)?.times ?? 0) });
  }
}

function addPair(pairs, source, destination) {
  const last = pairs.at(-1);
  if (!last || last[0] !== source || last[1] !== destination) {
    pairs.push([source, destination]);
  }
}

function free(model, freed, at, source, destination, times) {
  const [action, side] = model.data.changes[at];
  const group = side === "source" ? source : destination;
  const key = at * model.groups.length + group.at;
  if (!freed.has(key)) {
    freed.set(key, { action, side, group, frees: 0 });
  }
  freed.get(key).frees += times;
}
