# expect: fileinto a
# expect: fileinto b
require "fileinto";
fileinto "a"; fileinto "b"; fileinto "a";
