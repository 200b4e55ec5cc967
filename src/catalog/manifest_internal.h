/* What the files of the manifest share. */
#ifndef FERRY_CATALOG_MANIFEST_INTERNAL_H
#define FERRY_CATALOG_MANIFEST_INTERNAL_H

#define MANIFEST_FORMAT "model-ferry-manifest"
#define MANIFEST_VERSION 1

#endif
