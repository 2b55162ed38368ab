# expect: fileinto a
# expect: keep
require ["fileinto", "copy"];
fileinto :copy "a";
