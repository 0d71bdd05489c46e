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
kg|kilogram|kilograms
g|gram|grams
mg|milligram|milligrams
µg|microgram|micrograms
mcg|microgram|micrograms
lb|pound|pounds
lbs|pound|pounds
oz|ounce|ounces
L|liter|liters
l|liter|liters
ml|milliliter|milliliters
mL|milliliter|milliliters
dl|deciliter|deciliters
cl|centiliter|centiliters
gal|gallon|gallons
tsp|teaspoon|teaspoons
tbsp|tablespoon|tablespoons
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
mAh|milliamp hour|milliamp hours
Ah|amp hour|amp hours
J|joule|joules
kJ|kilojoule|kilojoules
cal|calorie|calories
kcal|kilocalorie|kilocalories
Pa|pascal|pascals
kPa|kilopascal|kilopascals
hPa|hectopascal|hectopascals
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
