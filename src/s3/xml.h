/*
 * xml: reads the XML documents of S3 as a sequence of elements with their text.
 *
 * Limits: a document has at most S3_XML_MAX bytes and S3_XML_DEPTH levels, an element's text at
 * most S3_XML_TEXT bytes. A DOCTYPE is refused, and so is every entity that is not built in.
 */
#ifndef FERRY_S3_XML_H
#define FERRY_S3_XML_H

#include "util/err.h"

#include <stddef.h>

#define S3_XML_MAX (16 * MIB)
#define S3_XML_DEPTH 16
#define S3_XML_TEXT (64 * KIB)

/* Called at each element's end. path: the names from the root on, without namespaces
 * ("ListBucketResult/Contents/Key"). text: its own text, or "". A negative return
 * stops the parsing. */
typedef int s3_xml_fn(void *ctx, const char *path, const char *text, struct err *e);

/* ERR_INTEGRITY if it is not well-formed XML. */
WARN_UNUSED int s3_xml_parse(const char *data, size_t len, s3_xml_fn *fn, void *ctx, struct err *e);

#endif
