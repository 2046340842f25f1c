// Small helpers. Texts become text nodes and attributes, never markup.

function find(id) {
  return document.getElementById(id);
}

// Make an element of "tag.class" with attributes, if any, and children; lists of these are taken
// apart, and what is not there is left out.
function element(kind, ...children) {
  const [tag, ...classes] = kind.split(".");
  const made = document.createElement(tag);
  if (classes.length) {
    made.className = classes.join(" ");
  }
  for (const child of children.flat(Infinity)) {
    if (child?.constructor === Object) {
      Object.entries(child).forEach(([name, value]) => made.setAttribute(name, value));
    } else if (child) {
      made.append(child);
    }
  }
  return made;
}

function quiet(...children) {
  return element("span.quiet", children);
}

// A name that may be broken where one of its parts ends, and nowhere else.
function breakable(name) {
  const parts = name.split(/(?<=[-._:/])(?=[^-._:/])/);
  const pieces = parts.flatMap((part) => [part, document.createElement("wbr")]);
  return element("span.name", pieces.slice(0, -1));
}

// A table of a class; cells are texts, elements, or lists of these. A column of empty texts is left
// out.
function tableOf(kind, titles, rows) {
  const used = [...titles.keys()].filter((at) => rows.some((cells) => cells[at] !== ""));
  const head = used.map((at) => element("th", { scope: "col" }, titles[at]));
  const body = rows.map((cells) =>
    element(
      "tr",
      used.map((at) => element("td", cells[at])),
    ),
  );
  const table = element(
    `table.${kind}`,
    element("thead", element("tr", head)),
    element("tbody", body),
  );
  return element("div.wide", table);
}

function folded(title, ...children) {
  return element("details", element("summary", title), children);
}

// The first of some entries, and a button that shows the others.
function firstOf(entries, most, show) {
  const shown = entries.slice(0, most).map(show);
  if (entries.length <= most) {
    return shown;
  }
  const rest = entries.slice(most);
  const more = element("button.more", { type: "button" }, `${number(rest.length)} more`);
  const place = shown[0].tagName === "LI" ? element("li", more) : more;
  more.addEventListener("click", () => place.replaceWith(...rest.map(show)));
  return [...shown, place];
}

function number(value) {
  return value.toLocaleString("en");
}

function count(value, noun) {
  return `${number(value)} ${noun}${value === 1 ? "" : "s"}`;
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

// The list that a key has in a map; a new one where it has none.
function listAt(map, key) {
  if (!map.has(key)) {
    map.set(key, []);
  }
  return map.get(key);
}

// Call a function once before the next frame, however often it is asked for.
function oncePerFrame(action) {
  let isAsked = false;
  return () => {
    if (!isAsked) {
      isAsked = true;
      requestAnimationFrame(() => {
        isAsked = false;
        action();
      });
    }
  };
}
