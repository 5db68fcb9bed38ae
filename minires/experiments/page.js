// Shows what contains a word; without this script everything is shown.
const filter = document.querySelector(".filter");
const input = filter.querySelector("input");
filter.hidden = false;
input.addEventListener("input", () => {
  const word = input.value.trim().toLowerCase();
  let shown = 0;
  for (const element of document.querySelectorAll("[data-filter]")) {
    element.hidden = !element.textContent.toLowerCase().includes(word);
    shown += !element.hidden;
  }
  for (const group of document.querySelectorAll("[data-group]"))
    group.hidden = !group.querySelector("[data-filter]:not([hidden])");
  filter.querySelector(".none").hidden = shown > 0;
});
