# expect: redirect a@example.net
# expect: redirect A@example.net
# expect: redirect b@example.net
redirect "a@example.net"; redirect "A@example.net"; redirect "b@example.net";
