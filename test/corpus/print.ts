import { comparisonOf } from "./comparison.js";
import { corpus } from "./traces.js";

/** `make corpus`: what our rows and four other rules make of every trace, beside what truly flowed. */
console.log(comparisonOf(corpus));
