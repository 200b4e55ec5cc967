/*
 * xml: what S3 answers: XML documents, read as a row of elements with their text.
 *
 * Foreign bytes: documents are at most S3_XML_MAX, S3_XML_DEPTH deep, an element's text is at most
 * S3_XML_TEXT; a DOCTYPE is refused, and with it every entity that is not built in.
 */
#ifndef FERRY_S3_XML_H
#define FERRY_S3_XML_H

#include "util/err.h"

#include <stddef.h>

#define S3_XML_MAX (16 * MIB)
#define S3_XML_DEPTH 16
#define S3_XML_TEXT (64 * KIB)

/* Called at each element's end. path: the names from the root on, without namespaces
 * ("ListBucketResult/Contents/Key"). text: what stands in it itself, "" if nothing does. A
 * negative return stops the parsing. */
typedef int s3_xml_fn(void *ctx, const char *path, const char *text, struct err *e);

/* ERR_INTEGRITY when it is no well-formed XML. */
WARN_UNUSED int s3_xml_parse(const char *data, size_t len, s3_xml_fn *fn, void *ctx, struct err *e);

#endif
