# expect: redirect a@example.net
# expect: keep
require "copy";
redirect :copy "a@example.net";
