// A document that is dropped anywhere on the page is submitted by its form.
"use strict";
const form = document.getElementById("drop");
const input = document.getElementById("document");
addEventListener("dragover", (event) => {
  event.preventDefault();
  form.classList.add("over");
});
addEventListener("dragleave", () => form.classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  form.classList.remove("over");
  if (event.dataTransfer.files.length > 0) {
    input.files = event.dataTransfer.files;
    form.requestSubmit();
  }
});
