import { testsOf } from "./short-rounds.js";

testsOf("store");
