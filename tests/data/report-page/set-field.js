const [name, value] = arguments;
const field = document.forms.filters.elements[name];
if (field.type === "checkbox") { field.checked = value; } else { field.value = value; }
field.dispatchEvent(new Event("input", { bubbles: true }));
