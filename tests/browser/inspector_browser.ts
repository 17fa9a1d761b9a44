import "playwright-core";
import "axe-core";
