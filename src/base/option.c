/* SPDX-License-Identifier: Apache-2.0 */
#include "base/option.h"

#include <string.h>

#include "base/nearest.h"
#include "base/quantity.h"

/* ---- one option -------------------------------------------------------------------------- */

static bool is_choice(const struct bh_option *option, const char *text)
{
	if (!option->choices)
		return true;
	for (const char *const *c = option->choices; *c; c++)
		if (!strcmp(*c, text))
			return true;
	return false;
}

static int parse_ranged(const struct bh_option *option, const char *text, struct bh_opt_i64 *ret)
{
	int r = bh_quantity_i64(text, &ret->v);

	if (r < 0)
		return r;
	if ((option->min || option->max) && (ret->v < option->min || ret->v > option->max))
		return -ERANGE;
	ret->set = true;
	return 0;
}

/* Stores @text, the value of @option, where the row says. Return: 0, -EINVAL, -ERANGE, -ENOMEM. */
static int store(struct bh_arena *arena, const struct bh_option *option, const char *text,
		 void *dest)
{
	void *field = (char *)dest + option->offset;
	struct bh_opt_i64 *i64 = field;
	struct bh_opt_u64 *u64 = field;
	struct bh_opt_bool *opt = field;

	if ((option->flags & BH_OPTION_EMPTY_IS_UNSET) && !*text)
		return 0;
	switch ((enum bh_option_type)option->type) {
	case BH_OPTION_FLAG:
		return bh_quantity_bool(text, field);
	case BH_OPTION_BOOL:
		opt->set = true;
		return bh_quantity_bool(text, &opt->v);
	case BH_OPTION_STRING:
		*(const char **)field = text;
		return is_choice(option, text) ? 0 : -EINVAL;
	case BH_OPTION_STRINGS:
		return bh_strv_add(arena, field, text);
	case BH_OPTION_I64:
		return parse_ranged(option, text, i64);
	case BH_OPTION_U64:
		u64->set = true;
		return bh_quantity_u64(text, &u64->v);
	case BH_OPTION_SIZE:
		i64->set = true;
		return bh_quantity_size(text, &i64->v);
	case BH_OPTION_DURATION:
		return bh_quantity_duration(text, field);
	case BH_OPTION_MAX_:
		break;
	}
	return -EINVAL;
}

static int store_checked(struct bh_arena *arena, const struct bh_option *option, const char *text,
			 void *dest, struct bh_err *err)
{
	int r = store(arena, option, text, dest);
	char choices[128] = "";

	if (r == -ENOMEM)
		return bh_err_oom(err);
	if (r == -ERANGE)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "invalid value \"%s\" for flag -%s: must be from %jd to %jd", text,
				 option->name, (intmax_t)option->min, (intmax_t)option->max);
	if (r < 0 && option->choices) {
		for (const char *const *c = option->choices; *c; c++)
			snprintf(choices + strlen(choices), sizeof(choices) - strlen(choices),
				 "%s'%s'", c == option->choices ? "" : ", ", *c);
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "invalid %s: %s (one of %s)",
				 option->name, text, choices);
	}
	if (r < 0)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "invalid value \"%s\" for flag -%s: parse error", text,
				 option->name);
	return 0;
}

static bool takes_value(const struct bh_option *option)
{
	return option->type != BH_OPTION_FLAG && option->type != BH_OPTION_BOOL;
}

/* ---- the line ---------------------------------------------------------------------------- */

/* The row for the @n bytes at @name: a whole name, or a single letter. */
static const struct bh_option *find(const struct bh_option_set *set, const char *name, size_t n)
{
	for (const struct bh_option *o = set->options; o < set->options + set->n; o++)
		if ((n == strlen(o->name) && !memcmp(o->name, name, n)) ||
		    (n == 1 && o->short_name && o->short_name == *name))
			return o;
	return NULL;
}

static bool is_help(const char *name, size_t n)
{
	return (n == 1 && *name == 'h') || (n == 4 && !memcmp(name, "help", 4));
}

/* Go's words, which callers know, and what may have been meant. */
static int not_defined(const struct bh_option_set *set, const char *name, size_t n,
		       struct bh_err *err)
{
	bh_auto_free char *word = strndup(name, n);
	struct bh_nearest near = BH_NEAREST(word);
	char hint[BH_NEAREST_HINT_BYTES];

	if (!word)
		return bh_err_oom(err);
	if (set->before && find(set->before, name, n))
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "flag provided but not defined: -%s; it goes before the command",
				 word);
	for (const struct bh_option *o = set->options; o < set->options + set->n; o++)
		if (!(o->flags & BH_OPTION_HIDDEN))
			bh_nearest_try(&near, o->name);
	return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "flag provided but not defined: -%s%s", word,
			 bh_nearest_hint(&near, hint));
}

/*
 * Takes the option at @argv[0] with its value.
 * Return: how many strings were used; -errno; 0 for help.
 */
static int take_option(struct bh_arena *arena, const struct bh_option_set *set, int argc,
		       char **argv, void *dest, struct bh_err *err)
{
	const char *name = argv[0] + 1 + (argv[0][1] == '-'), *value, *equals;
	const struct bh_option *option;
	size_t n;
	int r;

	equals = strchr(name, '=');
	n = equals ? (size_t)(equals - name) : strlen(name);
	if (!n || *name == '-')
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "bad flag syntax: %s", argv[0]);
	option = find(set, name, n);
	if (!option && is_help(name, n))
		return 0;
	if (!option)
		return not_defined(set, name, n, err);
	value = equals ? equals + 1 : takes_value(option) ? argv[1] : "true";
	if (!equals && takes_value(option) && argc < 2)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "flag needs an argument: -%s",
				 option->name);
	r = store_checked(arena, option, value, dest, err);
	if (r < 0)
		return r;
	return equals || !takes_value(option) ? 1 : 2;
}

static int store_fallbacks(struct bh_arena *arena, const struct bh_option_set *set, void *dest,
			   struct bh_err *err)
{
	for (const struct bh_option *o = set->options; o < set->options + set->n; o++) {
		int r = o->fallback ? store_checked(arena, o, o->fallback, dest, err) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

int bh_option_parse(struct bh_arena *arena, const struct bh_option_set *set, int argc, char **argv,
		    void *dest, struct bh_strv *ret_args, struct bh_err *err)
{
	const char **args = bh_arena_array(arena, (size_t)argc + 1, sizeof(*args));
	bool options = true;
	size_t n = 0;
	int r;

	if (!args)
		return bh_err_oom(err);
	r = store_fallbacks(arena, set, dest, err);
	if (r < 0)
		return r;
	for (int i = 0; i < argc;) {
		if (!options || argv[i][0] != '-' || !argv[i][1]) {
			args[n++] = argv[i++];
			options = options && !set->stop_at_argument;
			continue;
		}
		if (!strcmp(argv[i], "--")) {
			options = false;
			i++;
			continue;
		}
		r = take_option(arena, set, argc - i, argv + i, dest, err);
		if (r < 0)
			return r;
		if (!r)
			return BH_OPTION_E_HELP;
		i += r;
	}
	*ret_args = (struct bh_strv){ .v = args, .n = n };
	return 0;
}
