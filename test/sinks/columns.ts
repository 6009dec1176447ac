import { TABLES } from "../../engine/store/schema.js";

const types = { time: "TIMESTAMP", name: "SYMBOL", text: "VARCHAR", double: "DOUBLE", int: "INT", long: "LONG" };

/** What QuestDB answers where all of our tables have the columns that they need. */
export const COLUMNS = TABLES.flatMap((table) =>
  table.columns.map(({ name, type }) => [table.name, name, types[type], table.identity.includes(name)]),
);
