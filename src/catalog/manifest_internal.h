/* Shared by the manifest*.c files. */
#ifndef FERRY_CATALOG_MANIFEST_INTERNAL_H
#define FERRY_CATALOG_MANIFEST_INTERNAL_H

#define MANIFEST_FORMAT "model-ferry-manifest"
#define MANIFEST_VERSION 1

#endif
