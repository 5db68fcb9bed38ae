// Asks the lab as Python in the browser runs it, and prints its answers as JSON.
// usage: node in_pyodide.mjs FOLDER_OF_PYODIDE FOLDER_OF_MINIRES REQUESTS
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, minires, requests] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(join(resolve(folder), "pyodide.mjs")));
const python = await loadPyodide({ indexURL: `${resolve(folder)}/` });
await python.loadPackage("numpy", { messageCallback: () => {} });
const files = (place) => readdirSync(place).flatMap((name) => {
  const path = join(place, name);
  return name === "__pycache__" ? [] : statSync(path).isDirectory() ? files(path) : [path];
});
for (const path of files(minires)) {
  const copy = `/home/pyodide/minires/${relative(minires, path)}`;
  python.FS.mkdirTree(copy.slice(0, copy.lastIndexOf("/")));
  python.FS.writeFile(copy, readFileSync(path));
}
python.globals.set("requests", requests);
console.log(python.runPython(`
import json
from minires.lab import Lab
lab = Lab()
json.dumps([lab.respond(request) for request in json.loads(requests)])
`));
