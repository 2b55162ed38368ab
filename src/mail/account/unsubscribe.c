#include "mail/account/unsubscribe.h"

#include "event/event.h"
#include "mail/account/members.h"

static const char purpose[] = "list unsubscribe";

bool unsubscribe_possible(struct sv member)
{
    for (size_t i = 0; i < member.n; i++)
        if ((unsigned char)member.p[i] <= ' ' || strchr(";,#\"", member.p[i]))
            return false;
    return member.n > 0;
}

static struct sv signed_text(struct sv list, struct sv member, char *tmp, size_t cap)
{
    int n = snprintf(tmp, cap, SV_FMT "\n" SV_FMT, SV_ARG(list), SV_ARG(member));
    return sv_n(tmp, MIN((size_t)n, cap - 1));
}

static void add_encoded(struct buf *b, struct sv text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c && strchr("-._~", c));
        if (plain)
            (void)buf_add_c(b, (char)c);
        else
            (void)buf_addf(b, "%%%02X", c);
    }
}

int unsubscribe_url(struct accounts *a, const char *base, struct sv list, struct sv member,
                    struct buf *out, struct errinfo *ei)
{
    char tmp[1100], key[SIGNATURE + 1];
    int r = account_sign(a, purpose, signed_text(list, member, tmp, sizeof(tmp)), key, ei);
    if (r < 0)
        return r;
    (void)buf_addf(out, "%s" UNSUBSCRIBE_PATH "?list=", base);
    add_encoded(out, list);
    (void)buf_add_str(out, "&member=");
    add_encoded(out, member);
    return buf_addf(out, "&key=%s", key);
}

int unsubscribe_check(struct accounts *a, struct sv list, struct sv member, struct sv key,
                      struct errinfo *ei)
{
    char tmp[1100];
    if (!unsubscribe_possible(member))
        return 0;
    return account_signed(a, purpose, signed_text(list, member, tmp, sizeof(tmp)), key, ei);
}

int unsubscribe(struct accounts *a, struct sv list, struct sv member, struct errinfo *ei)
{
    char text[400];
    struct errinfo why = { 0 };
    if (!sv_copy(text, sizeof(text), member))
        return 0;
    struct member_change change = { .remove = text };
    int r = account_members_change(a, "one-click", list, &change, &why);
    if (r == E_NOTFOUND || r == E_CONFLICT) /* no member any more, no list any more */
        return 0;
    if (r < 0)
        return err_set(ei, r, "%s", why.text);
    struct logctx c = { .type = LOG_MAINTENANCE };
    char name[400];
    sv_copy(name, sizeof(name), list);
    event(list_unsubscribed, &c, F_STR(object, name), F_ADDR(rcpt, text));
    return 1;
}
