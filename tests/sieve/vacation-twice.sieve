# from: tim@example.com
# expect: keep
require "vacation";
vacation "one"; vacation "two";
