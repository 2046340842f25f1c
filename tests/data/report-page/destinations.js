document.querySelectorAll("#answer .more").forEach((one) => one.click());
const found = {};
for (const block of document.querySelectorAll("#answer .block")) {
  let title = block;
  while (title.tagName !== "H4") { title = title.previousElementSibling; }
  const names = (found[title.firstElementChild.className.split(" ")[1]] ??= []);
  block.querySelectorAll(".place").forEach((place) => names.push(place.title));
}
return found;
