# expect: fileinto one-two-one--${}-$a-${a
require ["fileinto", "variables"];
set "a" "one"; set "B" "two";
fileinto "${a}-${b}-${A}-${missing}-${}-$a-${a";
