/*
 * Runs llama.cpp's tools, which are not part of this program: llama-quantize and
 * convert_hf_to_gguf.py. They are found by [prepare] of ferry.conf or on PATH, probed, and run by
 * util/child.h; their failures are explained.
 *
 * When they fail they leave partial files, and they silently fall back to other tensor types.
 * Therefore the caller gives them a path in a scratch folder, validates the result and takes a
 * census (gguf_census_check).
 */
#ifndef FERRY_PREPARE_TOOLS_H
#define FERRY_PREPARE_TOOLS_H

#include "util/base.h"
#include "settings/prepare.h"
#include "util/cancel.h"
#include "util/err.h"
#include "util/report.h"

/* Is llama-quantize installed? ERR_NOT_FOUND says what to install. */
WARN_UNUSED int tools_need_quantize(const struct settings_prepare *set, struct err *e);

/* Where the tools are, or NULL; for the record of what was used. Callers free. */
char *tools_quantize_path(const struct settings_prepare *set);
char *tools_convert_path(const struct settings_prepare *set);

/* Where the tools are, or NULL; for the record of what was used. Callers free. */
char *tools_quantize_path(const struct settings_prepare *set);
char *tools_convert_path(const struct settings_prepare *set);

struct tools_quantize {
	const char *input;   /* a GGUF, or the first of its shards */
	const char *output;  /* must not exist */
	const char *type;    /* "Q4_K_M" */
	const char *imatrix; /* or NULL */
	bool allow_requantize;
	uint64_t expected_bytes;     /* for progress */
	const struct cancel *cancel; /* NULL: nothing stops it */
};

/* ERR_USAGE unless llama-quantize can make the type (with the nearest name), or if it needs an
 * importance matrix and none was given. */
WARN_UNUSED int tools_check_type(const char *type, bool has_imatrix, struct err *e);
/* An upper estimate of the bytes that `elements` weights need in that type. */
uint64_t tools_quantized_bytes(const char *type, uint64_t elements);

/* ERR_NOT_FOUND when the tool is missing; ERR_USAGE when it does not support the type;
 * ERR_INTEGRITY when it refuses the model; ERR_SYSTEM when the disk is full or it crashed.
 * `build` becomes the tool's own build number, "8123 (1a2b3c4)", or NULL; the caller frees. */
WARN_UNUSED int tools_run_quantize(const struct settings_prepare *set,
				   const struct tools_quantize *q, struct report *report,
				   char **build, struct err *e);

struct tools_convert {
	const char *dir; /* config.json, tokenizer, *.safetensors; its name
			    becomes general.name if nothing else does */
	const char *output;
	const char *outtype; /* "f16", … or NULL: the tool decides */
	uint64_t expected_bytes;
	const struct cancel *cancel;
};

/* ERR_USAGE for a type that convert_hf_to_gguf.py cannot make. */
WARN_UNUSED int tools_check_outtype(const char *outtype, struct err *e);

/* As tools_run_quantize(); missing Python modules are ERR_NOT_FOUND. */
WARN_UNUSED int tools_run_convert(const struct settings_prepare *set, const struct tools_convert *c,
				  struct report *report, struct err *e);

#endif
