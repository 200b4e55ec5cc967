#include "util/mark.h"

#include "util/os.h"
#include "util/text.h"

#include <stdio.h>

bool mark_of(const char *path, bool follow, struct mark *out)
{
	struct stat st;
	if ((follow ? stat(path, &st) : lstat(path, &st)) < 0 || !S_ISREG(st.st_mode))
		return false;
	*out = (struct mark){
		.size = (uint64_t)st.st_size,
		.modified_ns = os_modified_ns(&st),
		.inode = os_keeps_inodes(path) ? (uint64_t)st.st_ino : 0,
	};
	return true;
}

const char *mark_text(char text[MARK_TEXT], const struct mark *m)
{
	snprintf(text, MARK_TEXT, "%llu %llu %llu", (unsigned long long)m->size,
		 (unsigned long long)m->modified_ns, (unsigned long long)m->inode);
	return text;
}

bool mark_parse(const char *text, struct mark *out)
{
	struct str_list words = { 0 };
	struct mark m;
	str_list_split(&words, text, " ");
	bool ok = words.count == 3 && parse_u64(words.at[0], &m.size) &&
		  parse_u64(words.at[1], &m.modified_ns) && parse_u64(words.at[2], &m.inode);
	str_list_release(&words);
	if (ok)
		*out = m;
	return ok;
}
