# expect: keep
require ["reject"];
reject "no"; reject "never";
