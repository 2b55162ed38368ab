# expect: keep
require ["reject"];
reject "no"; keep;
