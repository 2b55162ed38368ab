# expect: keep
require "fileinto";
stop; fileinto "a";
