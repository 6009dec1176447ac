import { HttpEndpoint } from "../../engine/notify/endpoint.js";

/** Sends one message to the URL that it is given and prints what became of it: which authorities are trusted is decided when a process starts. */
const url = process.argv[2]!;
const endpoint = new HttpEndpoint({ url, secret: "a secret", allowPrivate: true, perMinute: 60 });
console.log(JSON.stringify(await endpoint.send({ key: "k", body: "{}", seconds: 1 })));
endpoint.close();
