// Every page of the lab: https://www.lab.test/DESIGN/WORKLOAD?… runs that workload the way that design does it.

import { report } from '/shared/lab.js';

const [, design, workload] = location.pathname.split('/');
document.documentElement.classList.add(design, workload);
const { default: workloads } = await import(`/designs/${design}.js`);
const working = workloads[workload](); // some never end
report('ready', { design, workload });
await working;
