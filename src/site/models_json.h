/*
 * models_json: models.json, from which apps make their list of models.
 *
 * It is not signed: it says which models there are, and where. An app that downloads by it must
 * verify the files with `ferry`, libferry or another TUF client. Schema:
 * schemas/models.schema.json.
 *
 *   { "format": "model-ferry-models", "version": 1, "repository", "title", "release", "updated",
 *     "url", "root_sha256", "mirrors": [ { "id", "url", "region" } ],
 *     "models": [ { "id", "title", "summary", "family", "license", "parameters", "context_length",
 *                   "tags", "languages", "updated", "page", "deprecated", "withdrawn",
 *                   "variants": [ { "id", "kind", "engine", "quantization", "default", "size",
 *                                   "ram", "version", "label", "released", "withdrawn",
 *                                   "files": [ { "name", "role", "size", "sha256",
 *                                                "key" } ] } ] } ] }
 *
 * A file is at the URL of a mirror, '/', and its key. Other mirrors are not named.
 */
#ifndef FERRY_SITE_MODELS_JSON_H
#define FERRY_SITE_MODELS_JSON_H

#include "site/site.h"

#define MODELS_JSON_PATH "models.json"

/* Appends to out. ERR_INTEGRITY: it is too large for it. */
WARN_UNUSED int models_json_write(const struct site *s, struct buf *out, struct err *e);

#endif
