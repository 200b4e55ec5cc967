/* Drafts that wait for signatures: the members of a document that describe them, and the text
 * that is made from these. */
#ifndef FERRY_CLI_CATALOG_WAITING_H
#define FERRY_CLI_CATALOG_WAITING_H

#include "cli/catalog/ceremony.h"

/* Does it lack signatures? (A document that has all of them may wait for other documents.) */
bool waiting_lacks(const struct writer_status *s);

/* "[{id, name}]" */
json_t *waiting_ids_json(const struct str_list *ids, const struct keyring *names);
/* "threshold", "signatures", of a new root also "old_threshold" and "old_signatures", and
 * "keys": [{id, name, signed, old, new}]. */
void waiting_put_signatures(json_t *object, const struct writer_status *s,
			    const struct keyring *names);
/* "waiting_roles": [{role, version, complete, …, keys, files, changes}]. */
void waiting_put(json_t *document, const struct writer_statuses *all, const struct keyring *names);
/* How many of the document's waiting_roles lack signatures; count 0: of all, else of these. */
size_t waiting_lacking(const json_t *document, const struct opt_list *roles);

/* "alice, bob, 99aabbccddeeff00": the names of such keys; ids for those without a name here. */
char *waiting_who(const json_t *keys);
/* Prints the document's waiting_roles and what to do next. Nothing if there are no drafts. */
void waiting_print(struct cli *cli, const struct ceremony_desk *d, const json_t *document);

#endif
