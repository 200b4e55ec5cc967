// Validates Kubernetes objects by the schemas of npm's kubernetes-models:
//   node kubernetes.cjs NODE_MODULES < a JSON array of objects
// Prints a JSON array with a list for each object: what is wrong with it. The schemas allow fields that
// they do not know, which kubectl would refuse; those are the ones that no schema has read.
"use strict";
const path = require("path");
const fs = require("fs");

const folder = path.join(process.argv[2], "kubernetes-models");

function watch(value, name, unread) {
  if (value === null || typeof value !== "object") return value;
  const inner = {};
  for (const key of Object.keys(value)) {
    unread.add(`${name}/${key}`);
    inner[key] = watch(value[key], `${name}/${key}`, unread);
  }
  return new Proxy(Array.isArray(value) ? Object.values(inner) : inner, {
    get(target, key) {
      unread.delete(`${name}/${String(key)}`);
      return target[key];
    },
  });
}

function faults(object) {
  const { [object.kind]: Model } = require(path.join(folder, object.apiVersion, object.kind));
  const unread = new Set();
  try {
    // Its constructor would copy the object, and so read everything.
    Object.assign(Object.create(Model.prototype), watch(object, "", unread)).validate();
  } catch (error) {
    return [error.message];
  }
  // What is below an unknown field is unknown, too.
  return [...unread].filter((name) => !unread.has(path.dirname(name)));
}

console.log(JSON.stringify(JSON.parse(fs.readFileSync(0)).map(faults)));
