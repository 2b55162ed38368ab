/* Measures proto/mime in one thread: parse, ENVELOPE, and both structures as the mail store keeps
 * them. mime [-n rounds] [FILE ...]   Without files a made message of 5 KB is used. Prints
 * microseconds a message and MB/s. */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "proto/mime.h"

static void make_message(struct buf *b)
{
    static const char *const heads[] = {
        "Return-Path: <sender@client.example>",
        "Received: from client.example (client.example [192.0.2.7])\r\n"
        "\tby mx.example.org with ESMTPS id ABC12345\r\n\tfor <rcpt@example.org>; "
        "Mon, 05 Feb 2024 10:00:00 +0100",
        "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=client.example; s=mail;\r\n"
        "\th=from:to:subject:date:message-id; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n"
        "\tb=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB4nujc7YopdG5",
        "From: \"Sender, The\" <sender@client.example>",
        ("To: Rcpt One <rcpt@example.org>, two@example.org, =?utf-8?q?J=C3=BCrgen?= "
         "<three@example.org>"),
        "Subject: =?utf-8?q?A_message_of_middle_size?=",
        "Date: Mon, 5 Feb 2024 10:00:00 +0100",
        "Message-ID: <20240205100000.1234@client.example>",
        "MIME-Version: 1.0",
        "Content-Type: multipart/alternative; boundary=\"----=_Part_1_2.3\"",
    };

    for (size_t i = 0; i < ARRAY_LEN(heads); i++)
        buf_addf(b, "%s\r\n", heads[i]);
    for (int part = 0; part < 2; part++) {
        buf_addf(b,
                 "\r\n------=_Part_1_2.3\r\nContent-Type: text/%s; charset=utf-8\r\n"
                 "Content-Transfer-Encoding: 7bit\r\n\r\n",
                 part ? "html" : "plain");
        for (int i = 0; i < 26; i++)
            buf_add_str(b, "A line of text as people write them, of no more than 78 bytes, "
                           "and so on.\r\n");
    }
    buf_add_str(b, "\r\n------=_Part_1_2.3--\r\n");
}

static void run(const char *name, struct sv msg, unsigned rounds)
{
    int64_t t[4] = { clock_mono_us() };
    struct buf out;
    size_t bytes = 0;

    buf_init(&out, 16 * MiB);
    for (unsigned k = 0; k < 3; k++) {
        for (unsigned i = 0; i < rounds; i++) {
            struct arena a;
            struct mime_part *root = NULL;

            arena_init(&a, 32 * MiB);
            buf_reset(&out);
            if (mime_parse(msg, &a, &root) == 0 && k > 0)
                mime_imap_envelope(root, &out);
            if (root && k > 1) {
                mime_imap_bodystructure(root, true, &out);
                mime_imap_bodystructure(root, false, &out);
            }
            bytes += out.n;
            arena_done(&a);
        }
        t[k + 1] = clock_mono_us();
    }
    double us[3] = { (double)(t[1] - t[0]) / rounds, (double)(t[2] - t[1]) / rounds,
                     (double)(t[3] - t[2]) / rounds };
    printf("%-40s %8zu bytes  parse %7.2f  envelope %6.2f  structures %6.2f  all %7.2f us  "
           "%6.0f MB/s\n",
           name, msg.n, us[0], us[1] - us[0], us[2] - us[1], us[2], (double)msg.n / us[2]);
    buf_done(&out);
    if (bytes == 1)
        puts("");
}

int main(int argc, char **argv)
{
    unsigned rounds = 20000;
    struct buf b;
    int c;

    while ((c = getopt(argc, argv, "n:")) != -1)
        if (c == 'n')
            rounds = (unsigned)strtoul(optarg, NULL, 10);
    buf_init(&b, 64 * MiB);
    if (optind == argc) {
        make_message(&b);
        run("made", buf_sv(&b), rounds);
    }
    for (int i = optind; i < argc; i++) {
        FILE *f = fopen(argv[i], "rb");
        char piece[65536];
        size_t n;

        buf_reset(&b);
        while (f && (n = fread(piece, 1, sizeof(piece), f)) > 0)
            buf_add(&b, piece, n);
        if (f)
            fclose(f);
        run(argv[i], buf_sv(&b), rounds);
    }
    buf_done(&b);
    return 0;
}
