/*
 * The tags of a model's variants in a registry, computable from their names alone.
 *
 *   tag      = BASE ["-v" VERSION] [FORMAT]
 *   BASE     = ID "-" VARIANT
 *   FORMAT   = "" (Docker Model Runner) | "-modelpack" | "-ollama"
 *
 * Without a version, it is the tag of the current one. So that no two variants have the same tag,
 * BASE gets "-" and the first 8 hex digits of the SHA-256 of "ID/VARIANT" at its end when
 *  - the variant contains '-', or could be taken for what follows it: "ollama", "modelpack", "v"
 * and digits, or 8 hex digits; or
 *  - it is longer than OCI_TAG_BASE: it is then cut; or
 *  - it begins with "ferry-", which is for our own artifacts: then "m-" is put in front.
 * A tag is read from its end: FORMAT, version, and either 8 hex digits or a variant without '-'.
 */
#ifndef FERRY_OCI_TAG_H
#define FERRY_OCI_TAG_H

#include "util/base.h"

#define OCI_TAG_BASE 80
#define OCI_TAG_METADATA "ferry-metadata" /* metadata and catalog */
#define OCI_TAG_MODEL "ferry-model-"      /* and the id: our own artifact of a model */
#define OCI_TAG_OLD "ferry-old-" /* and the id: what left the releases, until it is pruned */
#define OCI_TAG_MODELPACK "-modelpack"
#define OCI_TAG_OLLAMA "-ollama"

/* version 0: the tag of the current one. The caller frees it. */
char *oci_tag(const char *id, const char *variant, uint64_t version, const char *format);
/* Of our own artifact, with the model's card, manifests and files: "ferry-model-ID". */
char *oci_tag_model(const char *id);
/* "ferry-old-ID" */
char *oci_tag_old(const char *id);

#endif
