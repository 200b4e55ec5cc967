/*
 * prepare: from a SOURCE to a GGUF under its final name, its manifest, and the model card.
 *
 *   obtain    the source is brought here: downloaded, unpacked, or found (choose)
 *   convert   llama.cpp's tools are run on it (tools), and the files get their names
 *   model     the GGUF files on their way, validated
 *   companions  what is used together with the model, from sources of their own
 *   describe  the card, as far as the model's own metadata can write it
 *   statement the record of where the files come from
 *   stamp     what was made from what, so that nothing is made twice
 *
 * What always holds here:
 *  - a file gets its final name only after it was validated and synced; the card is written
 *    last;
 *  - a source is never changed;
 *  - after any interruption, the next run of the same command continues, and a run after that does
 *    nothing.
 */
#ifndef FERRY_PREPARE_PREPARE_H
#define FERRY_PREPARE_PREPARE_H

#include "catalog/card.h"
#include "gguf/gguf.h"
#include "hash/sha256.h"
#include "settings/prepare.h"
#include "util/report.h"

/* A file that is used together with the model (companions.h). */
struct prepare_companion {
	const char *role;   /* of CARD_ROLES */
	const char *source; /* obtain.h */
};

struct prepare {
	const char *name;           /* of the model: path_is_id() */
	const char *const *sources; /* obtain.h */
	size_t source_count;
	const char *output_dir; /* NULL: "models/NAME" */
	const char *variant;    /* NULL: the quantization in lower case */
	const char *quantize;   /* a type for llama-quantize, or NULL */
	const char *outtype;    /* for convert_hf_to_gguf.py, or NULL */
	const char *imatrix;    /* for quantize, or NULL */
	const struct prepare_companion *companions;
	size_t companion_count;
	bool allow_requantize;
	bool allow_foreign_types; /* tensor types that only a fork of llama.cpp has */
	bool link;                /* the result may be the source itself, under a second name */
	bool keep_source;         /* downloads stay in the work folder */
	const struct digest *sha256;
	size_t sha256_count;
	const char *const *set; /* card_set() assignments */
	size_t set_count;
	const char *card; /* a card to start from, or NULL */
	uint64_t context; /* for the RAM estimate; 0: the model's own */
	int64_t now_s;
	const struct settings_prepare *settings;
	struct report *report;
	const struct cancel *cancel; /* NULL: nothing stops it */
};

struct prepare_file {
	char *path, *manifest; /* on disk */
	char *target;          /* "models/phi-2/phi-2-q4_k_m.gguf" */
	const char *role;      /* of CARD_ROLES; NULL: the model */
	uint64_t size;
	struct digest sha256;
};

/* A source on the Hugging Face Hub. */
struct prepare_hub {
	char *repo, *revision, *commit; /* revision: as it was asked for */
	struct str_list files;
};

struct prepare_warning {
	char *file, *code, *text;
};

struct prepare_result {
	char *variant, *quantization; /* quantization may be NULL */
	enum gguf_kind kind;
	char *output_dir, *card_path;
	struct prepare_file *files; /* shards in order, then companions */
	size_t file_count;
	struct card card;
	struct prepare_warning *warnings;
	size_t warning_count, warning_cap;
	struct str_list told; /* codes of the notes that were said */
	struct gguf_ram ram;
	uint64_t received; /* bytes transferred */
	bool made;         /* false: the files existed already */
	bool converted, quantized;
	bool card_changed;
	char *tool_build;       /* of llama-quantize, or NULL */
	struct prepare_hub hub; /* repo NULL: it is another source */
	char *provenance;       /* the record of how the files were made, or NULL: there is none */
};
void prepare_result_release(struct prepare_result *r);

WARN_UNUSED int prepare_run(const struct prepare *p, struct prepare_result *out, struct err *e);

#endif
