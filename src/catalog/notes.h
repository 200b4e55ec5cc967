/*
 * notes: the current versions of a model as Markdown (CommonMark, as GitHub and GitLab show it):
 * the text of a release, or of a message.
 *
 * All that they say is from the card. Foreign words in them are only words: characters that
 * Markdown or HTML would take for markup are escaped, and a word that a forge would turn into a
 * link or a notification (an address, @user, #1) is shown as code.
 */
#ifndef FERRY_CATALOG_NOTES_H
#define FERRY_CATALOG_NOTES_H

#include "catalog/card.h"

/* GitHub takes 125,000 characters as the text of a release. What is over this is counted, and left
 * out. */
#define NOTES_MAX_BYTES 100000

/* Title, summary, license and source; of each variant its version, what changed since the one
 * before, its files with sizes and digests; and what was withdrawn. Planned variants are left out.
 * The caller frees it. */
char *notes_of_model(const struct card *card);

#endif
