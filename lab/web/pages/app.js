// Every page of the lab: https://www.lab.test/DESIGN/WORKLOAD?… runs that workload the way that design does it.

import { report } from '/shared/lab.js';

const RETRY_MS = 1500;

/** A module that did not arrive stays missing until the page is loaded anew. */
function tryAgain() {
  report('retry', { message: 'page' });
  setTimeout(() => location.reload(), RETRY_MS);
}

const [, design, workload] = location.pathname.split('/');
document.documentElement.classList.add(design, workload);
const { default: workloads } = await import(`/designs/${design}.js`).catch(() => new Promise(tryAgain));
const working = workloads[workload](); // some never end
report('ready', { design, workload });
await working;
