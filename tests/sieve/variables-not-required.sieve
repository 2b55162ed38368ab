# expect: fileinto ${a}
require "fileinto";
fileinto "${a}";
