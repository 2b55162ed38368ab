# expect: keep
require ["fileinto", "variables"];
set "a" "";
fileinto "b"; redirect "${a}";
