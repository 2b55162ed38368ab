# from: tim@example.com
# expect: vacation I am away.
# expect: keep
require "vacation";
vacation "I am away.";
