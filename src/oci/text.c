/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/text.h"

#include <net/if.h>
#include <string.h>

#include "base/ranges.h"

static const char *skip_digits(const char *p)
{
	return p + strspn(p, "0123456789");
}

/* ---- paths and names -------------------------------------------------------------------- */

static bool is_absolute(const char *text)
{
	return text[0] == '/';
}

static bool is_dots(const char *text)
{
	return !strcmp(text, ".") || !strcmp(text, "..");
}

static bool is_word(const char *text)
{
	return text[0] && !strpbrk(text, " \t\n\v\f\r/");
}

static bool is_group(const char *text)
{
	return !strpbrk(text, "/\n") && !is_dots(text);
}

/* The kernel's own rule, dev_valid_name(). */
static bool is_interface(const char *text)
{
	return is_word(text) && !strchr(text, ':') && strlen(text) < IFNAMSIZ && !is_dots(text);
}

static bool is_line(const char *text)
{
	return !strpbrk(text, "\n\r");
}

static bool is_unified_key(const char *text)
{
	return is_word(text) && strchr(text, '.') && text[0] != '.';
}

static bool is_access(const char *text)
{
	return text[0] && !text[strspn(text, "rwma")];
}

static bool is_page_size(const char *text)
{
	const char *p = skip_digits(text);

	return p > text && text[0] != '0' && *p && strchr("KMG", *p) && !strcmp(p + 1, "B");
}

/* ---- versions --------------------------------------------------------------------------- */

/* Identifiers between dots; without them is NULL. */
static const char *skip_identifiers(const char *p)
{
	for (;;) {
		size_t n = strspn(
			p, "0123456789-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

		if (!n)
			return NULL;
		if (p[n] != '.')
			return p + n;
		p += n + 1;
	}
}

/* Digits without a leading zero, behind a dot. */
static const char *skip_part(const char *p)
{
	const char *end;

	if (!p || *p != '.')
		return NULL;
	end = skip_digits(p + 1);
	return end == p + 1 || (p[1] == '0' && end > p + 2) ? NULL : end;
}

/* https://semver.org/spec/v2.0.0.html, of major version 1. */
static bool is_version(const char *text)
{
	const char *p = text[0] == '1' ? skip_part(skip_part(text + 1)) : NULL;

	if (p && *p == '-')
		p = skip_identifiers(p + 1);
	if (p && *p == '+')
		p = skip_identifiers(p + 1);
	return p && !*p;
}

/* ---- lists of CPUs and nodes ------------------------------------------------------------ */

static bool is_cpu_list(const char *text)
{
	struct bh_range range;
	int r;

	do
		r = bh_range_next(&text, BH_CPU_MAX, &range);
	while (r > 0);
	return r == 0;
}

bool bh_text_cpu_list_any(const char *list)
{
	return list[strcspn(list, "0123456789")];
}

/* ---- the rules -------------------------------------------------------------------------- */

const struct bh_text_rule bh_text_absolute = { is_absolute, "is not an absolute path" };
const struct bh_text_rule bh_text_version = { is_version, "is not a supported version (1.x.y)" };
const struct bh_text_rule bh_text_cpu_list = {
	is_cpu_list, "is not a list such as \"0-3,7\" of numbers below 1024"
};
const struct bh_text_rule bh_text_interface = { is_interface,
						"is not the name of a network device" };
const struct bh_text_rule bh_text_page_size = { is_page_size,
						"is not a page size such as \"2MB\"" };
const struct bh_text_rule bh_text_access = { is_access, "is not made of \"r\", \"w\" and \"m\"" };
const struct bh_text_rule bh_text_unified_key = { is_unified_key,
						  "is not of the form CONTROLLER.PARAMETER" };
const struct bh_text_rule bh_text_word = { is_word, "is not a plain name" };
const struct bh_text_rule bh_text_group = { is_group, "is not the name of a directory" };
const struct bh_text_rule bh_text_line = { is_line, "holds a line break" };
