"""Units of measure as they are spoken."""

from __future__ import annotations

from typing import Final

__all__ = ["UNITS"]

# symbol -> (one, many)
UNITS: Final = {
    symbol: (one, many)
    for symbol, one, many in (
        line.split("|")
        for line in """
km|kilometer|kilometers
m|meter|meters
cm|centimeter|centimeters
mm|millimeter|millimeters
µm|micrometer|micrometers
nm|nanometer|nanometers
mi|mile|miles
ft|foot|feet
yd|yard|yards
inch|inch|inches
inHg|inch of mercury|inches of mercury
kg|kilogram|kilograms
g|gram|grams
mg|milligram|milligrams
µg|microgram|micrograms
mcg|microgram|micrograms
lb|pound|pounds
t|metric ton|metric tons
pt|pint|pints
qt|quart|quarts
lbs|pound|pounds
oz|ounce|ounces
L|liter|liters
l|liter|liters
ml|milliliter|milliliters
mL|milliliter|milliliters
dL|deciliter|deciliters
dl|deciliter|deciliters
cl|centiliter|centiliters
gal|gallon|gallons
tsp|teaspoon|teaspoons
tbsp|tablespoon|tablespoons
Tbsp|tablespoon|tablespoons
TBSP|tablespoon|tablespoons
Tsp|teaspoon|teaspoons
fl oz|fluid ounce|fluid ounces
km²|square kilometer|square kilometers
m²|square meter|square meters
m2|square meter|square meters
cm²|square centimeter|square centimeters
ft²|square foot|square feet
sq ft|square foot|square feet
sqft|square foot|square feet
sq mi|square mile|square miles
sq km|square kilometer|square kilometers
sq m|square meter|square meters
m³|cubic meter|cubic meters
cm³|cubic centimeter|cubic centimeters
ft³|cubic foot|cubic feet
ha|hectare|hectares
cc|c c|c c
km2|square kilometer|square kilometers
cm2|square centimeter|square centimeters
m3|cubic meter|cubic meters
cm3|cubic centimeter|cubic centimeters
ft2|square foot|square feet
ft3|cubic foot|cubic feet
mi²|square mile|square miles
in²|square inch|square inches
in³|cubic inch|cubic inches
mm²|square millimeter|square millimeters
mm³|cubic millimeter|cubic millimeters
km/h|kilometer per hour|kilometers per hour
kmh|kilometer per hour|kilometers per hour
kph|kilometer per hour|kilometers per hour
mph|mile per hour|miles per hour
m/s|meter per second|meters per second
m/s²|meter per second squared|meters per second squared
mpg|mile per gallon|miles per gallon
s|second|seconds
sec|second|seconds
secs|second|seconds
ms|millisecond|milliseconds
µs|microsecond|microseconds
ns|nanosecond|nanoseconds
min|minute|minutes
mins|minute|minutes
h|hour|hours
hr|hour|hours
hrs|hour|hours
wk|week|weeks
wks|week|weeks
mo|month|months
mos|month|months
yr|year|years
yrs|year|years
Hz|hertz|hertz
kHz|kilohertz|kilohertz
MHz|megahertz|megahertz
GHz|gigahertz|gigahertz
W|watt|watts
kW|kilowatt|kilowatts
MW|megawatt|megawatts
GW|gigawatt|gigawatts
Wh|watt hour|watt hours
kWh|kilowatt hour|kilowatt hours
MWh|megawatt hour|megawatt hours
V|volt|volts
kV|kilovolt|kilovolts
mV|millivolt|millivolts
mA|milliamp|milliamps
Ah|amp hour|amp hours
J|joule|joules
kJ|kilojoule|kilojoules
cal|calorie|calories
kcal|kilocalorie|kilocalories
Pa|pascal|pascals
kPa|kilopascal|kilopascals
hPa|hectopascal|hectopascals
MPa|megapascal|megapascals
GPa|gigapascal|gigapascals
mmHg|millimeter of mercury|millimeters of mercury
atm|atmosphere|atmospheres
kN|kilonewton|kilonewtons
Nm|newton meter|newton meters
eV|electronvolt|electronvolts
keV|kiloelectronvolt|kiloelectronvolts
MeV|megaelectronvolt|megaelectronvolts
GeV|gigaelectronvolt|gigaelectronvolts
µF|microfarad|microfarads
nF|nanofarad|nanofarads
pF|picofarad|picofarads
mH|millihenry|millihenries
MΩ|megohm|megohms
TWh|terawatt hour|terawatt hours
GWh|gigawatt hour|gigawatt hours
TW|terawatt|terawatts
mW|milliwatt|milliwatts
MJ|megajoule|megajoules
BTU|B T U|B T U
IU|international unit|international units
mmol|millimole|millimoles
µL|microliter|microliters
pp|percentage point|percentage points
bps|basis point|basis points
ppm|part per million|parts per million
ppb|part per billion|parts per billion
dBm|decibel milliwatt|decibel milliwatts
kt|knot|knots
kn|knot|knots
nmi|nautical mile|nautical miles
ly|light year|light years
msec|millisecond|milliseconds
psi|P S I|P S I
bar|bar|bar
dB|decibel|decibels
B|byte|bytes
KB|kilobyte|kilobytes
kB|kilobyte|kilobytes
MB|megabyte|megabytes
GB|gigabyte|gigabytes
TB|terabyte|terabytes
PB|petabyte|petabytes
MiB|mebibyte|mebibytes
GiB|gibibyte|gibibytes
Mb|megabit|megabits
Gb|gigabit|gigabits
kbps|kilobit per second|kilobits per second
Mbps|megabit per second|megabits per second
Mbit/s|megabit per second|megabits per second
Gbit/s|gigabit per second|gigabits per second
TiB|tebibyte|tebibytes
KiB|kibibyte|kibibytes
EB|exabyte|exabytes
MP|megapixel|megapixels
mAh|milliamp hour|milliamp hours
Gbps|gigabit per second|gigabits per second
kB/s|kilobyte per second|kilobytes per second
MB/s|megabyte per second|megabytes per second
GB/s|gigabyte per second|gigabytes per second
fps|frame per second|frames per second
rpm|revolution per minute|revolutions per minute
bpm|beat per minute|beats per minute
dpi|dot per inch|dots per inch
px|pixel|pixels
Ω|ohm|ohms
kΩ|kilohm|kilohms
mol|mole|moles
lm|lumen|lumens
K|kelvin|kelvin
""".strip().splitlines()
    )
}
