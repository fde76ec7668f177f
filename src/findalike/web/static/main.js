// Starts all parts of the page, and asks for the first pictures.
import { EMPTY } from "./address.js";
import { startBar } from "./bar.js";
import { startBox } from "./box.js";
import { startChips } from "./chips.js";
import { startDetail } from "./detail.js";
import { $ } from "./dom.js";
import { startDrop } from "./drop.js";
import { startFilters } from "./filters.js";
import { startGrid } from "./grid.js";
import { drawIcons } from "./icons.js";
import { startJobs } from "./jobs.js";
import { startKeys } from "./keys.js";
import { loadLibrary } from "./library.js";
import { startPersons } from "./persons.js";
import { startMarks } from "./marks.js";
import { startQuery } from "./query.js";
import { refresh } from "./search.js";
import { startReviewing } from "./reviewing.js";
import { startSelection } from "./selection.js";
import { startSession } from "./session.js";
import { change, watch } from "./state.js";
import { startStatus } from "./status.js";
import { failed } from "./toast.js";
import { filters } from "./where.js";

history.scrollRestoration = "manual";
drawIcons(document);
startSession();
for (const start of [startBox, startChips, startQuery, startFilters, startBar, startGrid, startSelection, startStatus, startDrop, startKeys]) start();

watch(() => refresh());

$("#home").addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  change(EMPTY);
  scrollTo(0, 0);
});

const about = loadLibrary().catch(failed);
// A filter is written by the kinds of the columns, which the library tells.
if (filters()) about.then(() => refresh());
else refresh();

startDetail();
startJobs();
startPersons();
startReviewing();
startMarks();
